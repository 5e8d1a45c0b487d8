# An appliance on bare metal: a server whose board, cards and disk are named, so that the
# image holds their drivers and firmware, and none of the rest of the kernel's.
#
# `lspci -k` on the machine (any live system) shows cards, disk controllers and their drivers.

format_version = 1

appliance "metal-ams1" {
  site = "ams1"
}

hardware {
  platform = "baremetal"
  memory   = "4GiB"

  # The kernel writes to all of these; the last one also gets what the appliance says of
  # itself. The serial console of a BMC is often ttyS1.
  console = ["tty0", "ttyS0,115200"]

  # What happens when a board comes up with less than this, a memory module or a card gone:
  # it takes calls with what is there, and says so. "refuse" would have it take none.
  mismatch = "resize"

  cpu {
    cores  = 4
    vendor = "amd" # its microcode comes with the image
  }

  # Installed on this one. The firmware reads the image; no call needs a disk.
  disk "system" {
    match  = { path = "/dev/sda" }
    driver = "ahci"
  }
  disk "spare" {
    match  = { path = "/dev/nvme0n1" }
    driver = "nvme"
    size   = "1GiB"
  }

  nic "wan" {
    match     = { mac = "52:54:00:12:34:60" }
    driver    = "e1000e"
    speed     = "1Gbps"
    addresses = ["203.0.113.40/27"]
    gateway   = "203.0.113.33"
  }

  nic "core" {
    match     = { mac = "52:54:00:12:34:61" }
    driver    = "e1000e"
    speed     = "1Gbps"
    addresses = ["10.0.4.10/24"]
  }
}

workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s"
}

limits {
  cps              = 240
  concurrent_calls = 14000
}

listener "carrier" {
  nic     = "wan"
  address = "203.0.113.40"
  sources = ["203.0.113.32/27"]
}

listener "core" {
  nic     = "core"
  address = "10.0.4.10"
  sources = ["10.0.4.0/24"]
}

dispatcher "gateways" {
  id = 1
  probe {}
  destination "gw1" {
    uri      = "sip:10.0.4.21:5060"
    listener = "core"
  }
  destination "gw2" {
    uri      = "sip:10.0.4.22:5060"
    listener = "core"
  }
}

route "out" {
  from = ["carrier"]
  to   = ["gateways"]
}

# An appliance on four cables, for the boot test: two as one bond with a VLAN, one
# with a VLAN and a router behind it, one for operations with resolver and time server.
format_version = 1

appliance "edge-wired" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  dns      = ["10.0.9.53"]
  ntp      = ["ntp.example.net"]

  cpu {
    cores = 2
  }
  nic "wan0" {
    match = { mac = "52:54:00:12:34:56" }
  }
  nic "wan1" {
    match = { mac = "52:54:00:12:34:57" }
  }
  bond "wan" {
    members = ["wan0", "wan1"]
    mtu     = 9000
  }
  vlan "carriers" {
    parent    = "wan"
    id        = 100
    addresses = ["203.0.113.10/27"]
    gateway   = "203.0.113.1"
  }
  nic "lan" {
    match = { mac = "52:54:00:12:34:58" }
    mtu   = 4000
  }
  vlan "core" {
    parent    = "lan"
    id        = 200
    addresses = ["10.0.0.10/24"]
  }
  nic "mgmt" {
    match      = { mac = "52:54:00:12:34:59" }
    addresses  = ["10.0.9.10/24"]
    management = true
  }
  route "platform" {
    destination = "10.77.0.0/16"
    via         = "10.0.0.1"
  }
}

workload {
  cps              = 20
  concurrent_calls = 1200
  call_duration    = "60s"
}

listener "carrier" {
  nic     = "carriers"
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

listener "core" {
  nic     = "core"
  address = "10.0.0.10"
  sources = ["10.77.0.0/24"]
}

dispatcher "core" {
  id = 1
  probe {
    interval = "2s"
    timeout  = "1s"
  }
  destination "fs1" {
    uri      = "sip:10.77.0.11:5060"
    listener = "core"
  }
}

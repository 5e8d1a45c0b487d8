# Every attribute of this version, none at its default.
format_version = 1

appliance "edge-ber2" {
  site = trimspace(file("site.txt"))
}

hardware {
  platform = "baremetal"
  memory   = "15.5GiB"
  console  = ["ttyS1,57600n8", "tty1"]
  mismatch = "resize"
  cpu {
    cores            = 8
    threads_per_core = 2
    vendor           = "amd"
  }
  disk "system" {
    match  = { path = "/dev/nvme0n1" }
    driver = "nvme"
    size   = "100GiB"
  }
  nic "wan" {
    match {
      mac = "52-54-00-AA-BB-CC"
    }
    driver    = "igc"
    speed     = "2.5Gbps"
    queues    = 4
    mtu       = 9000
    addresses = ["${cidrhost("203.0.113.0/27", 10)}/27", "2001:db8:0:1::10/64"]
    gateways  = ["203.0.113.1", "fe80::1"]
  }
  nic "lan" {
    match     = { mac = "52:54:00:12:34:57" }
    driver    = "ixgbe"
    speed     = "10Gbps"
    addresses = ["10.0.0.2/31"]
  }
}

workload {
  cps              = 1000
  concurrent_calls = 60000
  call_duration    = "1m"
  ring_time        = "12s"
}

limits {
  cps              = 1100
  burst            = 2200
  concurrent_calls = 66000
  retry_after      = "10s"
  message_size     = "64KiB"
}

transaction {
  reply_timeout  = "2500ms"
  invite_timeout = "45s"
  wait           = "6s"
  call_lifetime  = "2h"
}

state {
  memory     = "1536MiB"
  high_water = 0.8
}

firewall {
  enabled      = false
  source_rate  = 2000
  source_burst = 4000
}

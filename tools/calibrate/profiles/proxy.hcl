# A stateful proxy: what every spec has.
format_version = 1

appliance "calibration" {}

hardware {
  platform = "vm"
  memory   = "8GiB"
  cpu {
    cores = 4
  }
  nic "lan" {
    match     = { mac = "52:54:00:00:00:01" }
    addresses = ["192.0.2.1/24"]
  }
}

workload {
  cps              = 2000
  concurrent_calls = 40000
  call_duration    = "18s"
  ring_time        = "2s"
}

listener "all" {
  address = "127.93.0.2"
  sources = ["127.93.0.0/24"]
  workers = 1
}

dispatcher "callees" {
  id = 1
  probe {}
  destination "a" {
    uri = "sip:127.93.0.21:5060"
  }
  destination "b" {
    uri = "sip:127.93.0.22:5060"
  }
}

firewall {
  enabled = false
}

state {
  memory = "2GiB"
}

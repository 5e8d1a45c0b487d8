# What both proxies of the benchmark do. Addresses are of the loopback: the load
# comes from 127.90.0.10 and is answered at 127.90.0.21 and .22.
format_version = 1

appliance "bench" {}

hardware {
  platform = "vm"
  memory   = "8GiB"
  cpu {
    cores = 16
  }
  nic "lan" {
    match     = { mac = "52:54:00:00:00:01" }
    addresses = ["192.0.2.1/24"]
  }
}

variable "workers" {
  type    = number
  default = 1
}

workload {
  cps              = 5000
  concurrent_calls = 100000
  call_duration    = "10s"
  ring_time        = "2s"
}

listener "all" {
  address = "127.90.0.2"
  sources = ["127.0.0.0/8"]
  workers = var.workers
}

dispatcher "uas" {
  id = 1
  probe {}
  destination "a" {
    uri = "sip:127.90.0.21:5060"
  }
  destination "b" {
    uri = "sip:127.90.0.22:5060"
  }
}

firewall {
  enabled = false
}

state {
  memory = "2GiB"
}

# What both proxies of the benchmark do as session border controllers: dialogs are kept,
# calls are counted and limited as a whole and for the carrier they come from. Addresses are
# of the loopback: the load comes from 127.90.0.10 and is answered at 127.90.0.21 and .22.
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

variable "cps" {
  type    = number
  default = 1000
}

workload {
  cps              = var.cps
  concurrent_calls = 60 * var.cps
  call_duration    = "58s"
  ring_time        = "2s"
}

listener "all" {
  address = "127.90.0.2"
  sources = ["127.0.0.0/8"]
  workers = var.workers
}

session {
  insert = false
}

limits {
  cps              = ceil(1.2 * var.cps)
  concurrent_calls = ceil(65 * var.cps)
  carrier "load" {
    prefixes         = ["127.90.0.0/24"]
    cps              = ceil(1.2 * var.cps)
    concurrent_calls = ceil(65 * var.cps)
  }
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

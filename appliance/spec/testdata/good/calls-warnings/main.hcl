format_version = 1

appliance "edge" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores = 2
  }
  nic "wan" {
    match     = { mac = "52:54:00:12:34:56" }
    mtu       = 1400
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps              = 200
  concurrent_calls = 12000
  call_duration    = "60s"
}

listener "carrier" {
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
  tos     = 97
}

listener "carrier-tcp" {
  address   = "203.0.113.10"
  transport = "tcp"
  sources   = ["198.51.100.0/24"]
  connections {
    max  = 32
    idle = "1m"
  }
}

listener "core" {
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id   = 1
  next = "overflow"
  destination "fs1" {
    uri    = "sip:10.0.0.11:5060"
    weight = 50
  }
  destination "fs2" {
    uri      = "sip:10.0.0.12:5060"
    weight   = 50
    priority = 1
  }
}

dispatcher "overflow" {
  id = 2
  destination "fs3" {
    uri   = "sip:10.0.0.21:5060"
    state = "disabled"
  }
}

dispatcher "forgotten" {
  id   = 3
  next = "core"
  destination "fs4" {
    uri = "sip:10.0.0.22:5060"
  }
}

route "all" {
  to = ["core", "overflow"]
}

limits {
  cps              = 300
  concurrent_calls = 15000
  source "nobody" {
    prefixes = ["192.0.2.0/24"]
    cps      = 400
  }
}

state {
  memory    = "1500MiB"
  hugepages = "1GiB"
}

messages {
  remove_headers = ["s", "Useragent", "P-Charge-Info"]
  codecs         = ["PCMA", "opsu", "MELPe"]
  udp_limit      = 1400
}

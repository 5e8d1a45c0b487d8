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
  nic     = "wan"
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
}

limits {
  cps              = 300
  concurrent_calls = 15000
  refuse_with      = "busy"
  listener "carrier" {
    cps         = 100
    refuse_with = "200 OK"
  }
  listener "core" {
    cps         = 100
    refuse_with = ""
  }
  source "a" {
    prefixes    = ["198.51.100.0/25"]
    cps         = 10
    refuse_with = "401 Who are you"
  }
  source "b" {
    prefixes    = ["198.51.100.0/26"]
    cps         = 10
    refuse_with = "486 Two lines\r\nX-Header: of text"
  }
  carrier "a" {
    prefixes    = ["198.51.100.128/25"]
    cps         = 10
    refuse_with = "486 A reason that goes on and on and on, for longer than anybody would like to read it"
  }
  carrier "b" {
    prefixes    = ["10.0.0.0/25"]
    cps         = 10
    refuse_with = "486  Busy"
  }
  carrier "c" {
    prefixes    = ["10.0.0.128/25"]
    cps         = 10
    refuse_with = 503
  }
}

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
  destination "a" {
    uri = "10.0.0.12:5060"
  }
  destination "b" {
    uri = "sips:10.0.0.13"
  }
  destination "c" {
    uri = "sip:trunk@10.0.0.14"
  }
  destination "d" {
    uri = "sip:2001:db8::11"
  }
  destination "e" {
    uri = "sip:10.0.0.15:70000"
  }
  destination "f" {
    uri = "tel:+4930123"
  }
  destination "g" {
    uri = "sip:10.0.0.16;lr"
  }
  destination "h" {
    uri = "sip:10.0.0.256"
  }
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
}

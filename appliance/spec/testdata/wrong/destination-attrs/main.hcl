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
    uri = "sip:10.0.0.11"
    attrs = ["b4"]
  }
  destination "fs2" {
    uri = "sip:10.0.0.12"
    attrs = { Rack = "b4", slot = 7, note = "two\nlines" }
  }
  destination "fs3" {
    uri = "sip:10.0.0.13"
    attrs = { a0 = "x", a1 = "x", a2 = "x", a3 = "x", a4 = "x", a5 = "x", a6 = "x", a7 = "x", a8 = "x", a9 = "x", a10 = "x", a11 = "x", a12 = "x", a13 = "x", a14 = "x", a15 = "x", a16 = "x" }
  }
  destination "fs4" {
    uri = "sip:10.0.0.14"
    attrs {
      rack = "b4"
    }
  }
}

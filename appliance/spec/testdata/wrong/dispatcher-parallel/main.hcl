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
  algorithm = "parallel"
  destination "fs1" {
    uri = "sip:10.0.0.11"
  }
  destination "fs2" {
    uri = "sip:10.0.0.12"
  }
  destination "fs3" {
    uri = "sip:10.0.0.13"
  }
  destination "fs4" {
    uri = "sip:10.0.0.14"
  }
  destination "fs5" {
    uri = "sip:10.0.0.15"
  }
  destination "fs6" {
    uri = "sip:10.0.0.16"
  }
  destination "fs7" {
    uri = "sip:10.0.0.17"
  }
  destination "fs8" {
    uri = "sip:10.0.0.18"
  }
  destination "fs9" {
    uri = "sip:10.0.0.19"
  }
  destination "fs10" {
    uri = "sip:10.0.0.20"
  }
}

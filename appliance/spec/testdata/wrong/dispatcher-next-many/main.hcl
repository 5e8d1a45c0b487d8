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

dispatcher "d1" {
  id = 1
  next = "d2"
  destination "fs1" {
    uri = "sip:10.0.0.11"
  }
}

dispatcher "d2" {
  id = 2
  next = "d3"
  destination "fs2" {
    uri = "sip:10.0.0.12"
  }
}

dispatcher "d3" {
  id = 3
  next = "d4"
  destination "fs3" {
    uri = "sip:10.0.0.13"
  }
}

dispatcher "d4" {
  id = 4
  next = "d5"
  destination "fs4" {
    uri = "sip:10.0.0.14"
  }
}

dispatcher "d5" {
  id = 5
  next = "d6"
  destination "fs5" {
    uri = "sip:10.0.0.15"
  }
}

dispatcher "d6" {
  id = 6
  next = "d7"
  destination "fs6" {
    uri = "sip:10.0.0.16"
  }
}

dispatcher "d7" {
  id = 7
  next = "d8"
  destination "fs7" {
    uri = "sip:10.0.0.17"
  }
}

dispatcher "d8" {
  id = 8
  next = "d9"
  destination "fs8" {
    uri = "sip:10.0.0.18"
  }
}

dispatcher "d9" {
  id = 9
  next = "d10"
  destination "fs9" {
    uri = "sip:10.0.0.19"
  }
}

dispatcher "d10" {
  id = 10
  destination "fs10" {
    uri = "sip:10.0.0.20"
  }
}

route "all" {
  to = ["d1"]
}

# Right, and worth a second look: what the blocks beside the path warn of.
format_version = 1

appliance "edge" {}

hardware {
  platform = "vm"
  memory   = "8GiB"
  cpu {
    cores = 4
  }
  nic "wan" {
    addresses = ["203.0.113.10/27", "203.0.113.11/27"]
    gateway   = "203.0.113.1"
  }
}

workload {
  cps              = 100
  concurrent_calls = 6000
  call_duration    = "60s"
}

listener "carrier" {
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:203.0.113.20:5060"
  }
}

media {
  on_fail = "next"
  instance "rtp1" {
    control = ["203.0.113.31:2223"]
  }
}

database "calls" {
  engine  = "postgres"
  address = "203.0.113.21"
  tls     = "off"
}

database "here" {
  engine  = "postgres"
  address = "127.0.0.1"
  tls     = "off"
}

control {
  address     = "203.0.113.11"
  sources     = ["203.0.113.0/27"]
  certificate = "edge-cert"
  key         = "edge-key"
  metrics {
    address = "203.0.113.11"
    sources = ["0.0.0.0/0"]
  }
  cdr {
    to       = "database"
    database = "calls"
  }
}

secret "edge-cert" {
  from       = "credential"
  credential = "edge"
}

secret "edge-key" {
  from       = "credential"
  credential = "edge"
}

secret "old-password" {
  from = "credential"
}

format_version = 1

appliance "edge" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  dns      = ["203.0.113.5"]
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

listener "trunk" {
  nic     = "wan"
  address = "203.0.113.10"
  port    = 5080
  sources = ["192.0.2.0/24"]
}

listener "tcp" {
  nic       = "wan"
  address   = "203.0.113.10"
  transport = "tcp"
  sources   = ["192.0.2.0/24"]
}

listener "local" {
  address   = "127.0.0.1"
  transport = "tcp"
  sources   = ["127.0.0.0/8"]
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id = 1
  destination "which" {
    uri = "sip:fs1.example.net"
  }
  destination "tcp" {
    uri = "sip:fs1.example.net;transport=tcp"
  }
  destination "named" {
    uri      = "sip:fs2.example.net"
    listener = "tcp"
  }
  destination "other" {
    uri      = "sip:fs3.example.net;transport=udp"
    listener = "tcp"
  }
}

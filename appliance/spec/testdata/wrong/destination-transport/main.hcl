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
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

listener "core" {
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

listener "loop" {
  address = "127.0.0.1"
  sources = ["127.0.0.0/8"]
  transport = "tcp"
}

dispatcher "core" {
  id = 1
  destination "a" {
    uri = "sip:10.0.0.11;transport=tcp"
  }
  destination "b" {
    uri = "sips:10.0.0.12"
  }
  destination "c" {
    uri = "sip:10.0.0.13;transport=tls"
    listener = "core"
  }
  destination "d" {
    uri = "sips:10.0.0.14;transport=udp"
  }
  destination "e" {
    uri = "sip:10.0.0.15;transport=ws"
  }
  destination "f" {
    uri = "sip:10.0.0.16;transport=sctp"
  }
  destination "g" {
    uri = "sip:127.0.0.1:5070"
    listener = "loop"
  }
}

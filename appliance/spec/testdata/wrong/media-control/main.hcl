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
    addresses = ["203.0.113.10/27", "203.0.113.11/27", "2001:db8::10/64"]
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

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:203.0.113.20:5060"
  }
}

media {
  instance "a" {
    control = ["203.0.113.31", "203.0.113.31:0", "rtp.example.net:2223", 2223]
  }
  instance "b" {
    control = ["127.0.0.1:2223", "203.0.113.32:2223"]
    addresses = ["203.0.113.11"]
  }
  instance "c" {
    control = ["0.0.0.0:2223"]
  }
  instance "d" {
    control = "203.0.113.33:2223"
  }
  instance "e" {
    control = ["udp:203.0.113.34:2223", "224.0.0.1:2223", "fe80::1%wan", "2001:db8::34", "[2001:db8::34]"]
  }
}

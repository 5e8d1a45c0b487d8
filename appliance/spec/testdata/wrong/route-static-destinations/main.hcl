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
    addresses = ["203.0.113.10/27"]
    gateway   = "203.0.113.1"
  }
  nic "lan" {
    match     = { mac = "52:54:00:12:34:57" }
    addresses = ["10.0.0.10/24", "2001:db8:1::10/64"]
  }
  route "all" {
    destination = "0.0.0.0/0"
    via         = "10.0.0.1"
  }
  route "six" {
    destination = "::/0"
    via         = "2001:db8:1::1"
  }
  route "bits" {
    destination = "10.8.0.1/16"
    via         = "10.0.0.1"
  }
  route "host" {
    destination = "10.9.0.7"
    via         = "10.0.0.1"
  }
  route "name" {
    destination = "voice.example.net"
    via         = "10.0.0.1"
  }
  route "group" {
    destination = "239.0.0.0/8"
    via         = "10.0.0.1"
  }
  route "mapped" {
    destination = "::ffff:10.1.0.0/112"
    via         = "2001:db8:1::1"
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

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
  route "d" {
    destination = "10.4.0.0/16"
    via         = "2001:db8:1::1"
  }
  route "e" {
    destination = "10.5.0.0/16"
    via         = "127.0.0.1"
  }
  route "f" {
    destination = "10.6.0.0/16"
    via         = "10.0.0.1/24"
  }
  route "z" {
    destination = "2001:db8:9::/48"
    via         = "fe80::1%lan"
  }
  route "u" {
    destination = "10.7.0.0/16"
    via         = "0.0.0.0"
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

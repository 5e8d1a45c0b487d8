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
  route "a" {
    destination = "10.1.0.0/16"
    via         = "192.0.2.1"
  }
  route "b" {
    destination = "10.2.0.0/16"
    via         = "10.0.0.10"
  }
  route "c" {
    destination = "10.3.0.0/16"
    via         = "10.0.0.255"
  }
  route "g" {
    destination = "2001:db8:9::/48"
    via         = "fe80::1"
  }
  route "h" {
    destination = "2001:db8:a::/48"
    via         = "fe80::1"
    nic         = "wan"
  }
  route "i" {
    destination = "2001:db8:b::/48"
    via         = "2001:db8:7::1"
  }
  route "j" {
    destination = "2001:db8:c::/48"
    via         = "2001:db8:7::1"
    nic         = "wan"
  }
  route "k" {
    destination = "10.9.0.0/16"
    via         = "192.0.2.1"
    nic         = "lan"
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

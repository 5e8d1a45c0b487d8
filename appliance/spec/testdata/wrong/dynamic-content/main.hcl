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

dynamic "listener" {
  for_each = {
    a = { host = 10, source = "198.51.100.0/24" }
    b = { host = 40, source = "192.0.2.1/24" }
  }
  iterator = carrier
  labels   = [carrier.key]
  content {
    nic     = "wan"
    address = cidrhost("203.0.113.0/24", carrier.value.host)
    sources = [carrier.value.source]
    port    = carrier.value.prt
    share   = 2
    tansport = "udp"
  }
}

listener "core" {
  nic     = "wan"
  address = "203.0.113.11"
  sources = ["10.0.0.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:10.0.0.11:5060"
  }
}

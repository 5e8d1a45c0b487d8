# One listener, two destinations, on the loopback. Garbage comes from 127.66.0.0/16,
# which is no source.
format_version = 1

appliance "load" {}

hardware {
  platform = "vm"
  memory   = "4GiB"
  cpu {
    cores = 4
  }
  nic "lan" {
    match     = { mac = "52:54:00:00:00:01" }
    addresses = ["192.0.2.1/24"]
  }
}

workload {
  cps              = 200
  concurrent_calls = 4000
  call_duration    = "10s"
}

listener "all" {
  address  = "127.91.0.2"
  sources  = ["127.91.0.0/16"]
  workers  = 3
  steering = "call-id"
}

dispatcher "uas" {
  id = 1
  destination "a" {
    uri = "sip:127.91.0.21:5060"
  }
  destination "b" {
    uri = "sip:127.91.0.22:5060"
  }
}

limits {
  cps              = 1000
  concurrent_calls = 5000
}

# Garbage has to reach the proxy.
firewall {
  enabled = false
}

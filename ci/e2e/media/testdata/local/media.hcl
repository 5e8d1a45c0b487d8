# One listener, two destinations, and a media relay on the appliance; the test moves its media to the loopback.
format_version = 1

appliance "media" {}

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
  cps              = 10
  concurrent_calls = 100
  call_duration    = "10s"
}

listener "all" {
  address  = "127.93.0.2"
  sources  = ["127.93.0.0/16"]
  workers  = 3
  steering = "call-id"
}

dispatcher "uas" {
  id = 1
  destination "a" {
    uri = "sip:127.93.0.21:5060"
  }
  destination "b" {
    uri = "sip:127.93.0.22:5060"
  }
}

limits {
  cps              = 20
  concurrent_calls = 100
}

# The load does not come from a trunk that is rated.
firewall {
  enabled = false
}


media {
  instance "here" {
    addresses    = ["192.0.2.1"]
    ports        = "22000-23999"
    max_sessions = 100
  }
}

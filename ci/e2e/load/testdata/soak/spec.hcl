# The soak: listeners over UDP and TCP, one steady set for sipload's calls, and sets whose
# members fail on purpose. The number called says which set and what its callee does.
format_version = 1

appliance "soak" {}

hardware {
  platform = "vm"
  memory   = "8GiB"
  cpu {
    cores = 8
  }
  nic "lan" {
    match     = { mac = "52:54:00:00:00:01" }
    addresses = ["192.0.2.1/24"]
  }
}

workload {
  cps              = 6000
  concurrent_calls = 40000
  call_duration    = "5s"
  ring_time        = "1s"
}

listener "udp" {
  address  = "127.92.0.2"
  sources  = ["127.92.0.0/16"]
  workers  = 2
  steering = "call-id"
}

listener "tcp" {
  address   = "127.92.0.3"
  transport = "tcp"
  sources   = ["127.92.0.0/16"]
  workers   = 2
}

dispatcher "steady" {
  id = 1
  destination "a" {
    uri = "sip:127.92.0.21:5060"
  }
  destination "b" {
    uri = "sip:127.92.0.22:5060"
  }
}

dispatcher "flapping" {
  id        = 2
  algorithm = "round-robin"
  probe {
    interval          = "1s"
    timeout           = "500ms"
    fail_threshold    = 2
    recover_threshold = 2
  }
  destination "a" {
    uri = "sip:127.92.1.1:5060"
  }
  destination "b" {
    uri = "sip:127.92.1.2:5060"
  }
  destination "c" {
    uri = "sip:127.92.1.3:5060"
  }
}

dispatcher "streams" {
  id        = 3
  algorithm = "call-load"
  probe {
    interval          = "1s"
    timeout           = "500ms"
    fail_threshold    = 2
    recover_threshold = 2
  }
  destination "a" {
    uri       = "sip:127.92.2.1:5060;transport=tcp"
    max_calls = 100
  }
  destination "b" {
    uri       = "sip:127.92.2.2:5060;transport=tcp"
    max_calls = 100
  }
  destination "c" {
    uri       = "sip:127.92.2.3:5060;transport=tcp"
    max_calls = 100
  }
}

dispatcher "lossy" {
  id = 4
  destination "a" {
    uri = "sip:127.92.3.1:5060"
  }
}

dispatcher "sound" {
  id = 5
  destination "a" {
    uri = "sip:127.92.4.1:5060"
  }
}

route "flapping" {
  prefix = "70"
  to     = ["flapping"]
}

route "streams" {
  prefix = "71"
  to     = ["streams", "flapping"]
}

route "lossy" {
  prefix = "72"
  to     = ["lossy"]
}

route "sound" {
  prefix = "73"
  to     = ["sound"]
}

route "steady" {
  prefix = "8"
  to     = ["steady"]
}

limits {
  concurrent_calls = 40000
}

# Garbage has to reach the proxy.
firewall {
  enabled = false
}

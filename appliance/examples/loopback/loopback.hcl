# The proxy alone on a workstation: everything on loopback, nothing to install.
# Callers call 127.0.0.1:5060, the callee listens on 127.0.0.1:5080.

format_version = 1

appliance "loopback" {}

hardware {
  platform = "vm"
  memory   = "2GiB"

  cpu {
    cores            = 2
    threads_per_core = 1
  }

  nic "wan" {
    addresses = ["192.0.2.10/24"]
  }
}

workload {
  cps              = 50
  concurrent_calls = 3000
  call_duration    = "60s"
}

# Beyond these a new call gets 503; 50 x (60 s + 8 s of ringing) are 3,400 at full load.
limits {
  cps              = 60
  concurrent_calls = 3500
}

listener "local" {
  address = "127.0.0.1"
  port    = 5060
  sources = ["127.0.0.0/8"]
}

dispatcher "phones" {
  id        = 1
  algorithm = "round-robin"

  probe {
    interval = "10s"
  }

  destination "phone" {
    uri = "sip:127.0.0.1:5080"
  }
}

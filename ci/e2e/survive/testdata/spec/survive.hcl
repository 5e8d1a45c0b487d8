# One listener, two destinations, on the loopback: what sbcd runs while it is killed.
format_version = 1

appliance "survive" {}

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
  # Twice what is placed: after a pause everything comes at once, and a machine that is busy takes long.
  cps              = 1000
  concurrent_calls = 10000
  call_duration    = "10s"
}

listener "all" {
  address  = "127.92.0.2"
  sources  = ["127.92.0.0/16"]
  workers  = 3
  steering = "call-id"
}

dispatcher "uas" {
  id = 1
  destination "a" {
    uri = "sip:127.92.0.21:5060"
  }
  destination "b" {
    uri = "sip:127.92.0.22:5060"
  }
}

limits {
  cps              = 2000
  concurrent_calls = 10000
}

# The load does not come from a trunk that is rated.
firewall {
  enabled = false
}

# A machine that stands still for seconds is no destination that is silent.
transaction {
  reply_timeout = "20s"
  wait          = "10s"
}

# Each call has one record, whichever process saw its end.
control {
  cdr { to = "file" }
}

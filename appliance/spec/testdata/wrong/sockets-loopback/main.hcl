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
  address = "127.0.0.1"
  sources = ["127.0.0.0/8"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:127.0.0.1:5080"
  }
}

database "panel" {
  engine = "sqlite"
  file   = "/var/lib/trunkline/panel.db"
}

sockets {
  database = "panel"
  sources  = ["203.0.113.0/27"]
}

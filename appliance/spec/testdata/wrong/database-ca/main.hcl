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
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
}

dispatcher "core" {
  id = 1
  destination "fs1" {
    uri = "sip:203.0.113.20:5060"
  }
}

database "a" {
  engine  = "postgres"
  address = "203.0.113.21"
  ca      = "authority"
}

database "b" {
  engine  = "postgres"
  address = "203.0.113.21"
  tls     = "verify"
  ca      = "authorities"
}

database "c" {
  engine = "sqlite"
  file   = "/var/lib/trunkline/c.db"
  ca     = "authority"
}

secret "authority" {
  from = "credential"
}

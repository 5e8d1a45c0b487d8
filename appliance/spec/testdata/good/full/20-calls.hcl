listener "carrier-v4" {
  nic       = "wan"
  address   = "203.0.113.10"
  port      = 5080
  transport = "udp"
  advertise = "sip.example.net:5060"
  sources   = ["198.51.100.0/24", "192.0.2.7", cidrsubnet("10.64.0.0/10", 6, 3)]
  workers   = 3
  share     = 0.6
}

listener "carrier-v6" {
  address = "2001:db8:0:1::10"
  sources = ["0.0.0.0/0", "::/0"]
}

listener "core" {
  nic     = "lan"
  address = "10.0.0.2"
  sources = ["10.0.0.3/32"]
  workers = "auto"
}

listener "local" {
  address = "127.0.0.1"
  sources = ["127.0.0.0/8"]
  share   = 0.1
}

dispatcher "core" {
  id        = 7
  algorithm = "round-robin"
  probe {
    interval          = "10s"
    timeout           = "1500ms"
    fail_threshold    = 3
    recover_threshold = 2
    from              = "sip:probe@edge.example.net:5060"
    accept            = ["2xx", "404", 405]
  }
  failover {
    on    = ["503", 408, "timeout"]
    never = []
  }
  destination "fs1" {
    uri       = "sip:10.0.0.3"
    listener  = "core"
    max_calls = 20000
    max_cps   = 600
  }
}

dispatcher "far" {
  id = 8
  probe {}
  destination "six" {
    uri = "sip:[2001:db8:5::11]:5062;transport=udp"
  }
  destination "four" {
    uri = "sip:192.0.2.99:5060"
  }
}

cache "baked" {
  source = "file"
  file   = "tables/prefixes.csv"
  warmup = "background"
}

cache "there" {
  source  = "file"
  file    = "/var/lib/trunkline/prefixes.csv"
  rows    = 250000
  timeout = "90s"
  on_fail = "refuse"
}

route "table" {
  from  = ["carrier-v4", "carrier-v6"]
  cache = "baked"
}

route "second-table" {
  cache = "there"
}

route "de" {
  prefix = "+49"
  to     = ["core", "far"]
}

route "rest" {
  to = ["far"]
}

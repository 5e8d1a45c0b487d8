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

listener "carrier" {
  nic     = "wan"
  address = "203.0.113.10"
  sources = ["198.51.100.0/24"]
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

database "routing" {
  engine  = "postgres"
  address = "10.0.0.21:5432"
}

database "local" {
  engine = "sqlite"
  file   = "/var/lib/trunkline/routing.db"
}

cache "q0" {
  source   = "postgres"
  database = "routing"
  query    = "update routes set carrier = 1"
  rows     = 1000
}

cache "q1" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier from routes where site = $1"
  rows     = 1000
}

cache "q2" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier from routes where site = ?"
  rows     = 1000
}

cache "q3" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier from routes where site = :site"
  rows     = 1000
}

cache "q4" {
  source   = "postgres"
  database = "routing"
  query    = "select * from routes"
  rows     = 1000
}

cache "q5" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix from routes"
  rows     = 1000
}

cache "q6" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier, weight from routes"
  rows     = 1000
}

cache "q7" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, carrier from routes; delete from routes"
  rows     = 1000
}

cache "q8" {
  source   = "postgres"
  database = "routing"
  query    = "with gone as (delete from routes returning prefix, carrier) select prefix, carrier from gone"
  rows     = 1000
}

cache "q9" {
  source   = "postgres"
  database = "routing"
  query    = "select prefix, 'x from routes"
  rows     = 1000
}

cache "q10" {
  source   = "postgres"
  database = "routing"
  query    = "/* nothing"
  rows     = 1000
}

cache "q11" {
  source   = "postgres"
  database = "routing"
  query    = "   "
  rows     = 1000
}

cache "q12" {
  source   = "postgres"
  database = "routing"
  query    = "select r.*, carrier from routes r"
  rows     = 1000
}

route "all" {
  cache = "q0"
}

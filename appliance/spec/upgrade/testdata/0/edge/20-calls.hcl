# Where calls go.
dispatcher "core" {
  id = 1
  probe {
    interval       = 30 # seconds
    timeout        = max(2, 4)
    fail_threshold = 5
  }
  # The first gateway.
  destination "fs1" {
    address = "10.0.0.11:5060" # rack 1
    max_cps = 250
  }
  destination "fs2" { address = "10.0.0.12" }
}

limits {
  cps              = 240
  concurrent_calls = 14000
  retry_after      = 5
}

transaction {
  invite_timeout = "30s" # written with its unit already
  reply_timeout  = 2.5
}

# Only the version is reported: by the rules of this version, every line would be wrong.
format_version = 0

appliance "edge" {}

listen "carrier" {
  bind     = "203.0.113.10:5060"
  children = 4
}

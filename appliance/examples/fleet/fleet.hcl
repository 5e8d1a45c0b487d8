# One directory, several appliances: everything else here is evaluated for each of
# them with its variables. `trunkline plan` shows a line for each; one of them
# alone is `trunkline plan -appliance edge-ams1`.

format_version = 1

appliance "edge-fra1" {
  site = "fra1"
  variables = {
    network = "203.0.113.0/27"
    mac     = "52:54:00:12:34:01"
    size    = "large"
  }
}

appliance "edge-ams1" {
  site = "ams1"
  variables = {
    network = "203.0.113.32/27"
    mac     = "52:54:00:12:34:02"
  }
}

# The laboratory's, with one carrier alone.
appliance "edge-lab1" {
  site = "lab1"
  variables = {
    network = "203.0.113.64/27"
    mac     = "52:54:00:12:34:03"
    size    = "small"
    carriers = {
      test = { source = "192.0.2.0/24", host = 10 }
    }
  }
}

# What the test adds to the example edge-fra1: a media relay on the appliance.
media {
  instance "here" {
    addresses    = ["203.0.113.10"]
    ports        = "30000-33999"
    max_sessions = 1000
  }
}

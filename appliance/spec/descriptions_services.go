package spec

// servicesTexts are of what stands beside the path of a message: media, databases,
// dynamic sockets, control, updates, secrets.
var servicesTexts = map[string]description{}

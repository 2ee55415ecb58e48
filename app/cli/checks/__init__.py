"""What `shareauth doctor` looks at; each module is one part of the service's surroundings."""

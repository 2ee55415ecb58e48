"""What `shareauth doctor` and the console's health page look at.

Each module is one part of the service's surroundings.
"""

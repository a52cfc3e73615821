"""What the gateway makes of real mail, held against what others state of it: `make conformance`."""

"""What others say of a mail: the DNS of its author's domain, and an antivirus. Effects, no decisions."""

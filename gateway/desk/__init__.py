"""What an agent may see and do: rights, commands by mail, what they change. Pure."""

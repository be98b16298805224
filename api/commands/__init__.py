"""What the commands of `liandong` do, apart from reading their options."""

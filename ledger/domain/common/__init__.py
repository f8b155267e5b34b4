"""What every case takes: entered in error, merged into another, a file attached."""

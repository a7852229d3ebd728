// Cameo

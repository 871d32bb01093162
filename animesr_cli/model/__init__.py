"""Tensors in, tensors out: any network, any tile, any device."""

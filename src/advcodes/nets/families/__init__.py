"""Architecture families, one file each; :mod:`advcodes.nets.build` takes what a method asks for from them."""

"""How much studies show and measure, for pages, which say so: this module needs no torch."""

from __future__ import annotations

DRAWN = "drawn once for all figures"  #: how pages say which real images stand there, those of `drawn`
DRAWN_MORE = "drawn once for all figures that show more, after the images of the others"  #: or those with `more`
TABLE_SHOWN = 24  #: samples of a cell of a table, at most
GRIDS_SHOWN = 64  #: images of a grid, at most
CODES_NEIGHBOURS = 10  #: of a code, whose labels are compared with its own
INTERPOLATION_ROWS = 8
INTERPOLATION_STEPS = 8  #: generated images of a row: both ends' reconstructions and what lies between them
PRIORS_DRAWN = 400  #: points of a cloud, at most
PRIORS_PANELS = 6  #: snapshots shown, at most
CONDITIONAL_SHOWN = 10  #: classes or clusters of a grid, at most, and draws of noise
SENTENCES_SIDE = 6  #: rows and columns of a sentence's images; rows where a word is replaced
RECONSTRUCTED_ROWS = 8
RECONSTRUCTED_PAIRS = 4  #: side by side in a panel of layout `pairs`
RECONSTRUCTED_ACROSS = 12  #: images of a line of layout `rows`, at most
INPAINTED_ACROSS = 12  #: images of a line of layout `models`, at most
MISSING_COLOUR = (255, 0, 200)  #: of missing pixels in pictures: one that neither digits, scenes nor faces have
INPAINTED_STEPS = 6  #: images of a panel of layout `formation`
CHAIN_ROWS = 6
CHAIN_TURNS = 4  #: times that an image is encoded and its code decoded
CHAINS_FROM = {"images": "real images", "prior": "the prior"}  #: what a chain starts from
ATTRIBUTES_ROWS = 8
ATTRIBUTES_ENCODED = 20_000  #: training images whose codes are averaged, at most
ATTRIBUTES_MEASURED = 500  #: test images lacking an attribute that it is added to, at most
ENERGIES_SHOWN = 64  #: images of a panel, at most

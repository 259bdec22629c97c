"""The customer facts recomputed by other means, to judge the product's own answers.

Nothing here imports the product: the rules are read from the written specification alone and
said again in SQL or plain Python, so that one mistake is not made on both sides.
"""

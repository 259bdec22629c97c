"""The public contracts of rfm-streams: what shops send and what marketing tools receive."""

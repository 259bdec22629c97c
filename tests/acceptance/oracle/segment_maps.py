"""Maps that name their cells one by one, copied from the specification.

Cells of `eleven` and `three_by_three` are R, F, M; those of `grid` are R and half of F + M.
"""

CELLS: dict[str, dict[str, str]] = {
    "eleven": {
        "Champions": "555 554 544 545 454 455 445",
        "Loyal": "543 444 435 355 354 345 344 335",
        "Potential Loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 "
        "353 352 351 342 341 333 323",
        "New Customers": "512 511 422 421 412 411 311",
        "Promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
        "Need Attention": "535 534 443 434 343 334 325 324",
        "About To Sleep": "331 321 312 221 213 231 241 251",
        "At Risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 "
        "125 124",
        "Cannot Lose Them": "155 154 144 214 215 115 114 113",
        "Hibernating": "332 322 233 232 223 222 132 123 122 212 211",
        "Lost": "111 112 121 131 141 151",
    },
    "grid": {
        "Champions": "55 54 45",
        "Loyal": "53 44 35 34",
        "Potential Loyalist": "52 43 42 33",
        "Recent": "51",
        "Promising": "41 31",
        "Needs Attention": "32 23 22",
        "About To Sleep": "21",
        "At Risk": "25 24 13",
        "Can't Lose": "15 14",
        "Hibernating": "12",
        "Lost": "11",
    },
    "three_by_three": {
        "Champions": "333 332 323",
        "Loyal": "321 322 331 232 233",
        "Recent": "312 313 311 222 223",
        "Needs Attention": "213 221 123 132 133",
        "At Risk": "231 212 122 131 211",
        "Inactive": "111 112 113 121",
    },
}

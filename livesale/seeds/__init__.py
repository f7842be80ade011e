"""A shop to look at: `livesale up` fills empty stores of a developer's machine with goods, a sale,
orders and a live room that plays by itself. All of it is made by the use cases that people use.
"""

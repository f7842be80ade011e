"""What people hold: the buyer's web page under /shop, built from `faces/buyer`.

The service sends built files and knows nothing of what is in them.
"""

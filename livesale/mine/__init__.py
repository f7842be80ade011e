"""What a buyer has: holds, orders, refunds, coupons, reminders, in one call."""

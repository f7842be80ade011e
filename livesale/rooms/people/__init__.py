"""People in a room: comments, likes, presence, mutes and bans."""

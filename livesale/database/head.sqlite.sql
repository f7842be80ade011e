CREATE TABLE addresses (
    address_id VARCHAR(15) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    sealed VARCHAR(1500) NOT NULL,
    key_id VARCHAR(16) NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (address_id)
);
CREATE INDEX addresses_by_buyer ON addresses (buyer_id, created_ms);
CREATE INDEX addresses_by_key ON addresses (key_id);
CREATE TABLE after_sale_cases (
    case_id VARCHAR(15) NOT NULL,
    order_id VARCHAR(32) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    kind VARCHAR(12) NOT NULL,
    state VARCHAR(12) NOT NULL,
    units INTEGER NOT NULL,
    amount_fen BIGINT NOT NULL,
    reason VARCHAR(200) NOT NULL,
    evidence VARCHAR(700) NOT NULL,
    answer VARCHAR(200) NOT NULL,
    carrier VARCHAR(12) NOT NULL,
    number VARCHAR(32) NOT NULL,
    fate VARCHAR(12) NOT NULL,
    refund_no VARCHAR(64) NOT NULL,
    open_order VARCHAR(32),
    due_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (case_id)
);
CREATE INDEX cases_by_due ON after_sale_cases (state, due_ms);
CREATE INDEX cases_by_order ON after_sale_cases (order_id, created_ms);
CREATE INDEX cases_by_state ON after_sale_cases (state, created_ms, case_id);
CREATE INDEX cases_by_time ON after_sale_cases (created_ms, case_id);
CREATE UNIQUE INDEX cases_open ON after_sale_cases (open_order);
CREATE TABLE alerts (
    alert_id VARCHAR(15) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    object_id VARCHAR(80) NOT NULL,
    title VARCHAR(300) NOT NULL,
    facts TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    hook_state VARCHAR(12) NOT NULL,
    hook_tries INTEGER NOT NULL,
    hook_next_ms BIGINT NOT NULL,
    hook_error VARCHAR(200) NOT NULL,
    PRIMARY KEY (alert_id)
);
CREATE INDEX alerts_by_hook ON alerts (hook_state, hook_next_ms);
CREATE INDEX alerts_by_object ON alerts (object_id, kind, ended_ms);
CREATE TABLE asked_prices (
    sku_id VARCHAR(15) NOT NULL,
    since_ms BIGINT NOT NULL,
    price_fen BIGINT NOT NULL,
    until_ms BIGINT,
    PRIMARY KEY (sku_id, since_ms)
);
CREATE TABLE bag_entries (
    bag_id VARCHAR(15) NOT NULL,
    position INTEGER NOT NULL,
    entry_id VARCHAR(20) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    PRIMARY KEY (bag_id, position)
);
CREATE UNIQUE INDEX bag_entries_by_buyer ON bag_entries (bag_id, buyer_id);
CREATE TABLE bag_prizes (
    bag_id VARCHAR(15) NOT NULL,
    place INTEGER NOT NULL,
    entry_id VARCHAR(20) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    state VARCHAR(12) NOT NULL,
    rid VARCHAR(32),
    code VARCHAR(40),
    claim_by_ms BIGINT,
    claimed_ms BIGINT,
    reason VARCHAR(16),
    PRIMARY KEY (bag_id, place)
);
CREATE UNIQUE INDEX bag_prizes_by_buyer ON bag_prizes (bag_id, buyer_id);
CREATE INDEX bag_prizes_of_buyer ON bag_prizes (buyer_id, bag_id);
CREATE TABLE bags (
    bag_id VARCHAR(15) NOT NULL,
    room_id VARCHAR(15) NOT NULL,
    title VARCHAR(200) NOT NULL,
    state VARCHAR(12) NOT NULL,
    drop_id VARCHAR(15),
    coupon VARCHAR(200),
    places INTEGER NOT NULL,
    stay_ms BIGINT NOT NULL,
    phrase VARCHAR(200),
    claim_ms BIGINT NOT NULL,
    draws_ms BIGINT NOT NULL,
    seed VARCHAR(64) NOT NULL,
    salt VARCHAR(64) NOT NULL,
    commitment VARCHAR(64) NOT NULL,
    created_ms BIGINT NOT NULL,
    list_hash VARCHAR(64),
    entries INTEGER,
    drawn_ms BIGINT,
    reason VARCHAR(16),
    PRIMARY KEY (bag_id)
);
CREATE INDEX bags_by_list ON bags (state, bag_id);
CREATE INDEX bags_by_room ON bags (room_id, bag_id);
CREATE INDEX bags_by_state ON bags (state, draws_ms);
CREATE TABLE books (
    drop_id VARCHAR(15) NOT NULL,
    allotted BIGINT NOT NULL,
    available BIGINT NOT NULL,
    held BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    burned BIGINT NOT NULL,
    sealed_ms BIGINT,
    seal_claim VARCHAR(24) DEFAULT '' NOT NULL,
    PRIMARY KEY (drop_id)
);
CREATE INDEX books_by_seal ON books (sealed_ms);
CREATE TABLE buyers (
    buyer_id VARCHAR(40) NOT NULL,
    provider VARCHAR(12) NOT NULL,
    subject VARCHAR(128) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (buyer_id)
);
CREATE TABLE campaigns (
    campaign_id VARCHAR(15) NOT NULL,
    title VARCHAR(200) NOT NULL,
    opens_ms BIGINT NOT NULL,
    closes_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    buyer_limit INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (campaign_id)
);
CREATE INDEX campaigns_by_end ON campaigns (closes_ms);
CREATE INDEX campaigns_by_time ON campaigns (opens_ms, campaign_id);
CREATE TABLE categories (
    category_id VARCHAR(15) NOT NULL,
    path VARCHAR(200) NOT NULL,
    title VARCHAR(200) NOT NULL,
    position INTEGER NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (category_id)
);
CREATE UNIQUE INDEX categories_by_path ON categories (path);
CREATE TABLE check_runs (
    check_id VARCHAR(15) NOT NULL,
    kind VARCHAR(12) NOT NULL,
    state VARCHAR(12) NOT NULL,
    slot VARCHAR(12),
    ok BOOLEAN,
    actor VARCHAR(80) NOT NULL,
    machine VARCHAR(80) NOT NULL,
    claim VARCHAR(32) NOT NULL,
    reason VARCHAR(200) NOT NULL,
    progress VARCHAR(300) NOT NULL,
    findings TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    beat_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    PRIMARY KEY (check_id)
);
CREATE UNIQUE INDEX check_runs_by_slot ON check_runs (slot);
CREATE INDEX check_runs_by_state ON check_runs (state, check_id);
CREATE TABLE creations (
    creation_key VARCHAR(32) NOT NULL,
    asked VARCHAR(32) NOT NULL,
    object_id VARCHAR(32) NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (creation_key)
);
CREATE TABLE drop_lines (
    drop_id VARCHAR(15) NOT NULL,
    state VARCHAR(12) NOT NULL,
    commitment VARCHAR(64) NOT NULL,
    seed VARCHAR(64) NOT NULL,
    turn_ms BIGINT NOT NULL,
    rate INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    places INTEGER DEFAULT '0' NOT NULL,
    early INTEGER,
    leavers INTEGER DEFAULT '0' NOT NULL,
    serving INTEGER DEFAULT '0' NOT NULL,
    closing_id VARCHAR(40) DEFAULT '' NOT NULL,
    created_ms BIGINT NOT NULL,
    opened_ms BIGINT,
    ended_ms BIGINT,
    mode VARCHAR(12) DEFAULT 'turns' NOT NULL,
    salt VARCHAR(64) DEFAULT '' NOT NULL,
    list_hash VARCHAR(64) DEFAULT '' NOT NULL,
    entries INTEGER DEFAULT '0' NOT NULL,
    account_age_s INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (drop_id)
);
CREATE TABLE drop_restocks (
    restock_id VARCHAR(64) NOT NULL,
    drop_id VARCHAR(15) NOT NULL,
    delta BIGINT NOT NULL,
    reason VARCHAR(200) NOT NULL,
    state VARCHAR(12) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (restock_id)
);
CREATE INDEX drop_restocks_by_state ON drop_restocks (state, created_ms);
CREATE TABLE drop_stock (
    drop_id VARCHAR(15) NOT NULL,
    sku_id VARCHAR(15) NOT NULL,
    given BIGINT NOT NULL,
    returned BIGINT NOT NULL,
    scrapped BIGINT NOT NULL,
    shipped BIGINT NOT NULL,
    steps INTEGER NOT NULL,
    settled_ms BIGINT,
    PRIMARY KEY (drop_id)
);
CREATE INDEX drop_stock_by_settled ON drop_stock (settled_ms, drop_id);
CREATE TABLE drops (
    drop_id VARCHAR(15) NOT NULL,
    campaign_id VARCHAR(15) NOT NULL,
    sku_id VARCHAR(15) NOT NULL,
    partition SMALLINT NOT NULL,
    state VARCHAR(12) NOT NULL,
    price_fen BIGINT NOT NULL,
    allotted BIGINT NOT NULL,
    buyer_limit INTEGER NOT NULL,
    hold_ms BIGINT NOT NULL,
    expired_limit INTEGER NOT NULL,
    opens_ms BIGINT NOT NULL,
    closes_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    ticket_required BOOLEAN DEFAULT 0 NOT NULL,
    challenge INTEGER DEFAULT '0' NOT NULL,
    archived_ms BIGINT,
    room_id VARCHAR(15),
    version INTEGER DEFAULT '1' NOT NULL,
    campaign_limit INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (drop_id)
);
CREATE INDEX drops_by_archive ON drops (archived_ms, state);
CREATE INDEX drops_by_campaign ON drops (campaign_id, drop_id);
CREATE INDEX drops_by_room ON drops (room_id, drop_id);
CREATE INDEX drops_by_sku ON drops (sku_id, drop_id);
CREATE INDEX drops_by_state ON drops (state, drop_id);
CREATE TABLE evidence (
    order_id VARCHAR(32) NOT NULL,
    picture_id VARCHAR(32) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (order_id, picture_id)
);
CREATE TABLE import_rows (
    import_id VARCHAR(15) NOT NULL,
    "row" INTEGER NOT NULL,
    cells TEXT NOT NULL,
    state VARCHAR(12) NOT NULL,
    reason VARCHAR(500) NOT NULL,
    product_id VARCHAR(15),
    sku_id VARCHAR(15),
    PRIMARY KEY (import_id, "row")
);
CREATE INDEX import_rows_by_state ON import_rows (import_id, state, "row");
CREATE TABLE imports (
    import_id VARCHAR(15) NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL,
    name VARCHAR(200) NOT NULL,
    state VARCHAR(12) NOT NULL,
    columns TEXT NOT NULL,
    rows INTEGER NOT NULL,
    actor VARCHAR(80) NOT NULL,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    PRIMARY KEY (import_id)
);
CREATE UNIQUE INDEX imports_by_request ON imports (request_id);
CREATE INDEX imports_by_state ON imports (state, import_id);
CREATE TABLE insiders (
    buyer_id VARCHAR(40) NOT NULL,
    note VARCHAR(200) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (buyer_id)
);
CREATE TABLE joined_logins (
    login_id VARCHAR(40) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    provider VARCHAR(12) NOT NULL,
    subject VARCHAR(128) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (login_id)
);
CREATE INDEX joined_logins_by_buyer ON joined_logins (buyer_id);
CREATE TABLE leases (
    role VARCHAR(12) NOT NULL,
    name VARCHAR(16) NOT NULL,
    beats BIGINT NOT NULL,
    held VARCHAR(400) NOT NULL,
    pins VARCHAR(400) NOT NULL,
    cannot VARCHAR(400) NOT NULL,
    space VARCHAR(80) NOT NULL,
    pid BIGINT NOT NULL,
    host VARCHAR(64) NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (role, name)
);
CREATE TABLE line_batches (
    drop_id VARCHAR(15) NOT NULL,
    first_place INTEGER NOT NULL,
    people INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    buyers TEXT NOT NULL,
    PRIMARY KEY (drop_id, first_place)
);
CREATE TABLE line_entries (
    drop_id VARCHAR(15) NOT NULL,
    first_position INTEGER NOT NULL,
    places TEXT NOT NULL,
    buyers TEXT NOT NULL,
    PRIMARY KEY (drop_id, first_position)
);
CREATE TABLE line_leaves (
    drop_id VARCHAR(15) NOT NULL,
    place INTEGER NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (drop_id, place)
);
CREATE TABLE line_turns (
    drop_id VARCHAR(15) NOT NULL,
    next_position INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    at_ms BIGINT NOT NULL,
    available BIGINT NOT NULL,
    held BIGINT NOT NULL,
    PRIMARY KEY (drop_id, next_position)
);
CREATE TABLE log_offsets (
    partition SMALLINT NOT NULL,
    epoch BIGINT NOT NULL,
    "offset" VARCHAR(40) NOT NULL,
    entries BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (partition)
);
CREATE TABLE operator_actions (
    action_id VARCHAR(15) NOT NULL,
    at_ms BIGINT NOT NULL,
    actor VARCHAR(80) NOT NULL,
    action VARCHAR(80) NOT NULL,
    object_id VARCHAR(80) NOT NULL,
    asked TEXT NOT NULL,
    request_id VARCHAR(64) NOT NULL,
    outcome VARCHAR(16) NOT NULL,
    code VARCHAR(40) NOT NULL,
    ended_ms BIGINT,
    state_before TEXT,
    state_after TEXT,
    PRIMARY KEY (action_id)
);
CREATE INDEX operator_actions_by_action ON operator_actions (action, action_id);
CREATE INDEX operator_actions_by_actor ON operator_actions (actor, action_id);
CREATE INDEX operator_actions_by_object ON operator_actions (object_id, action_id);
CREATE TABLE operator_links (
    link_hash VARCHAR(64) NOT NULL,
    name VARCHAR(40) NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT,
    PRIMARY KEY (link_hash)
);
CREATE INDEX operator_links_by_name ON operator_links (name);
CREATE TABLE operator_sessions (
    session_id VARCHAR(15) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    name VARCHAR(40) NOT NULL,
    opened_by VARCHAR(12) NOT NULL,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    agent VARCHAR(200) NOT NULL,
    source VARCHAR(45) NOT NULL,
    PRIMARY KEY (session_id)
);
CREATE INDEX operator_sessions_by_name ON operator_sessions (name, session_id);
CREATE UNIQUE INDEX operator_sessions_by_token ON operator_sessions (token_hash);
CREATE TABLE operator_tries (
    bucket INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (bucket)
);
CREATE TABLE operators (
    name VARCHAR(40) NOT NULL,
    roles VARCHAR(80) NOT NULL,
    store_id VARCHAR(15),
    state VARCHAR(12) NOT NULL,
    password_hash VARCHAR(200),
    totp_secret VARCHAR(200),
    totp_pending VARCHAR(200),
    totp_step BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE order_addresses (
    order_id VARCHAR(32) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    sealed VARCHAR(1500) NOT NULL,
    key_id VARCHAR(16) NOT NULL,
    phone_hash VARCHAR(22) NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE INDEX order_addresses_by_key ON order_addresses (key_id);
CREATE INDEX order_addresses_by_phone ON order_addresses (phone_hash, created_ms, order_id);
CREATE TABLE order_events (
    event_id VARCHAR(15) NOT NULL,
    order_id VARCHAR(32) NOT NULL,
    kind VARCHAR(24) NOT NULL,
    about VARCHAR(32) NOT NULL,
    "before" VARCHAR(12) NOT NULL,
    "after" VARCHAR(12) NOT NULL,
    who VARCHAR(100) NOT NULL,
    why VARCHAR(200) NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (event_id)
);
CREATE INDEX order_events_by_order ON order_events (order_id, at_ms, event_id);
CREATE TABLE orders (
    order_id VARCHAR(32) NOT NULL,
    drop_id VARCHAR(15) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    quantity INTEGER NOT NULL,
    price_fen BIGINT NOT NULL,
    amount_fen BIGINT NOT NULL,
    state VARCHAR(12) NOT NULL,
    expires_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    stage VARCHAR(12) DEFAULT '' NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE INDEX orders_by_buyer ON orders (buyer_id, created_ms, order_id);
CREATE INDEX orders_by_state ON orders (state, stage, created_ms, order_id);
CREATE TABLE parcels (
    parcel_id VARCHAR(15) NOT NULL,
    order_id VARCHAR(32) NOT NULL,
    state VARCHAR(12) NOT NULL,
    method VARCHAR(12) NOT NULL,
    carrier VARCHAR(12) NOT NULL,
    number VARCHAR(32) NOT NULL,
    note VARCHAR(200) NOT NULL,
    is_last BOOLEAN NOT NULL,
    sealed VARCHAR(1500) NOT NULL,
    key_id VARCHAR(16) NOT NULL,
    created_ms BIGINT NOT NULL,
    shipped_ms BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (parcel_id)
);
CREATE INDEX parcels_by_due ON parcels (state, due_ms);
CREATE INDEX parcels_by_key ON parcels (key_id);
CREATE INDEX parcels_by_number ON parcels (number);
CREATE INDEX parcels_by_order ON parcels (order_id, created_ms);
CREATE TABLE payments (
    payment_id VARCHAR(64) NOT NULL,
    order_id VARCHAR(32) NOT NULL,
    amount_fen BIGINT NOT NULL,
    result VARCHAR(12) NOT NULL,
    created_ms BIGINT NOT NULL,
    back_fen BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (payment_id)
);
CREATE INDEX payments_by_order ON payments (order_id);
CREATE TABLE pickup_stores (
    store_id VARCHAR(15) NOT NULL,
    title VARCHAR(200) NOT NULL,
    address VARCHAR(200) NOT NULL,
    phone VARCHAR(20) NOT NULL,
    state VARCHAR(12) NOT NULL,
    lat DOUBLE NOT NULL,
    lng DOUBLE NOT NULL,
    x DOUBLE NOT NULL,
    y DOUBLE NOT NULL,
    z DOUBLE NOT NULL,
    utc_offset_min INTEGER NOT NULL,
    hours VARCHAR(1500) NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (store_id)
);
CREATE INDEX pickup_stores_by_place ON pickup_stores (state, lat, lng);
CREATE TABLE pickups (
    order_id VARCHAR(32) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    store_id VARCHAR(15) NOT NULL,
    state VARCHAR(12) NOT NULL,
    sealed VARCHAR(120) NOT NULL,
    code_hash VARCHAR(64) NOT NULL,
    use_id VARCHAR(64) NOT NULL,
    used_by VARCHAR(100) NOT NULL,
    used_ms BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE INDEX pickups_by_code ON pickups (store_id, code_hash);
CREATE INDEX pickups_by_store ON pickups (store_id, state, order_id);
CREATE TABLE pictures (
    picture_id VARCHAR(32) NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    files TEXT NOT NULL,
    actor VARCHAR(80) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (picture_id)
);
CREATE INDEX pictures_by_time ON pictures (created_ms, picture_id);
CREATE TABLE prepays (
    order_id VARCHAR(32) NOT NULL,
    gateway VARCHAR(12) NOT NULL,
    prepay_id VARCHAR(64) NOT NULL,
    amount_fen BIGINT NOT NULL,
    state VARCHAR(12) NOT NULL,
    expires_ms BIGINT NOT NULL,
    next_ms BIGINT NOT NULL,
    tries INTEGER NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    app VARCHAR(20) DEFAULT '' NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE INDEX prepays_by_next ON prepays (state, next_ms);
CREATE TABLE products (
    product_id VARCHAR(15) NOT NULL,
    code VARCHAR(64),
    title VARCHAR(200) NOT NULL,
    description TEXT NOT NULL,
    attributes TEXT NOT NULL,
    pictures TEXT NOT NULL,
    category VARCHAR(200) NOT NULL,
    status VARCHAR(12) NOT NULL,
    list_price_fen BIGINT,
    list_price_base VARCHAR(200) NOT NULL,
    version INTEGER NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (product_id)
);
CREATE INDEX products_by_category ON products (category, product_id);
CREATE INDEX products_by_change ON products (updated_ms, product_id);
CREATE UNIQUE INDEX products_by_code ON products (code);
CREATE INDEX products_by_status ON products (status, product_id);
CREATE TABLE profiles (
    buyer_id VARCHAR(40) NOT NULL,
    nickname VARCHAR(64),
    avatar_url VARCHAR(500),
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY (buyer_id)
);
CREATE TABLE quarantine (
    partition SMALLINT NOT NULL,
    log_id VARCHAR(40) NOT NULL,
    reason VARCHAR(500) NOT NULL,
    payload TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    state VARCHAR(12) DEFAULT 'aside' NOT NULL,
    changed_ms BIGINT DEFAULT '0' NOT NULL,
    note VARCHAR(200) DEFAULT '' NOT NULL,
    PRIMARY KEY (partition, log_id)
);
CREATE TABLE refunds (
    refund_no VARCHAR(64) NOT NULL,
    payment_id VARCHAR(64) NOT NULL,
    order_id VARCHAR(32) NOT NULL,
    amount_fen BIGINT NOT NULL,
    state VARCHAR(12) NOT NULL,
    created_ms BIGINT NOT NULL,
    reason VARCHAR(16) DEFAULT '' NOT NULL,
    note VARCHAR(200) DEFAULT '' NOT NULL,
    gateway_no VARCHAR(64) DEFAULT '' NOT NULL,
    tries INTEGER DEFAULT '0' NOT NULL,
    next_ms BIGINT DEFAULT '0' NOT NULL,
    last_error VARCHAR(300) DEFAULT '' NOT NULL,
    updated_ms BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (refund_no)
);
CREATE INDEX refunds_by_change ON refunds (updated_ms, refund_no);
CREATE INDEX refunds_by_next ON refunds (state, next_ms);
CREATE INDEX refunds_by_order ON refunds (order_id);
CREATE INDEX refunds_by_payment ON refunds (payment_id);
CREATE INDEX refunds_by_reason ON refunds (reason);
CREATE INDEX refunds_by_state ON refunds (state, created_ms, refund_no);
CREATE INDEX refunds_by_time ON refunds (created_ms, refund_no);
CREATE TABLE reminders (
    kind VARCHAR(12) NOT NULL,
    target_id VARCHAR(15) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    state VARCHAR(12) NOT NULL,
    begins_ms BIGINT NOT NULL,
    claim VARCHAR(24) NOT NULL,
    tries INTEGER NOT NULL,
    next_ms BIGINT NOT NULL,
    detail VARCHAR(100) NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (kind, target_id, buyer_id)
);
CREATE INDEX reminders_by_buyer ON reminders (buyer_id, state);
CREATE INDEX reminders_by_change ON reminders (state, updated_ms);
CREATE INDEX reminders_by_state ON reminders (state, kind, target_id, buyer_id);
CREATE TABLE room_bars (
    room_id VARCHAR(15) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    kind VARCHAR(12) NOT NULL,
    until_ms BIGINT NOT NULL,
    reason VARCHAR(200) NOT NULL,
    barred_by VARCHAR(80) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (room_id, buyer_id, kind)
);
CREATE TABLE room_comments (
    room_id VARCHAR(15) NOT NULL,
    comment_id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    role VARCHAR(12) NOT NULL,
    text VARCHAR(500) NOT NULL,
    folded VARCHAR(1000) NOT NULL,
    nickname VARCHAR(64),
    deleted_ms BIGINT,
    deleted_by VARCHAR(12),
    PRIMARY KEY (room_id, comment_id, at_ms)
);
CREATE INDEX room_comments_by_buyer ON room_comments (buyer_id, at_ms, room_id, comment_id);
CREATE INDEX room_comments_by_room ON room_comments (room_id, at_ms, comment_id);
CREATE INDEX room_comments_by_time ON room_comments (at_ms, room_id, comment_id);
CREATE TABLE room_items (
    room_id VARCHAR(15) NOT NULL,
    item_id VARCHAR(15) NOT NULL,
    title VARCHAR(200) NOT NULL,
    image_url VARCHAR(500) NOT NULL,
    price_fen BIGINT NOT NULL,
    state VARCHAR(12) NOT NULL,
    position INTEGER NOT NULL,
    sku_id VARCHAR(15),
    drop_id VARCHAR(15),
    PRIMARY KEY (room_id, item_id)
);
CREATE TABLE room_marks (
    room_id VARCHAR(15) NOT NULL,
    mark_id VARCHAR(15) NOT NULL,
    item_id VARCHAR(15) NOT NULL,
    began_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    PRIMARY KEY (room_id, mark_id)
);
CREATE TABLE room_members (
    room_id VARCHAR(15) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    role VARCHAR(12) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (room_id, buyer_id, role)
);
CREATE TABLE room_minutes (
    room_id VARCHAR(15) NOT NULL,
    name VARCHAR(24) NOT NULL,
    minute_ms BIGINT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (room_id, name, minute_ms)
);
CREATE TABLE room_records (
    room_id VARCHAR(15) NOT NULL,
    closed BOOLEAN NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (room_id)
);
CREATE INDEX room_records_by_closed ON room_records (closed, room_id);
CREATE TABLE room_seats (
    room_id VARCHAR(15) NOT NULL,
    operator VARCHAR(80) NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (room_id, operator)
);
CREATE INDEX room_seats_by_operator ON room_seats (operator, room_id);
CREATE TABLE room_streams (
    room_id VARCHAR(15) NOT NULL,
    key_number BIGINT NOT NULL,
    session VARCHAR(160),
    began_ms BIGINT,
    seen_ms BIGINT,
    silent BOOLEAN NOT NULL,
    last_session VARCHAR(160),
    last_ms BIGINT,
    PRIMARY KEY (room_id)
);
CREATE INDEX room_streams_by_seen ON room_streams (silent, seen_ms);
CREATE TABLE room_tallies (
    room_id VARCHAR(15) NOT NULL,
    born VARCHAR(16) NOT NULL,
    name VARCHAR(24) NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (room_id, born, name)
);
CREATE TABLE rooms (
    room_id VARCHAR(15) NOT NULL,
    title VARCHAR(200) NOT NULL,
    cover_url VARCHAR(500) NOT NULL,
    host VARCHAR(40) NOT NULL,
    state VARCHAR(12) NOT NULL,
    state_ms BIGINT NOT NULL,
    starts_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    pinned VARCHAR(15),
    pinned_ms BIGINT,
    version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    bars_version BIGINT DEFAULT '0' NOT NULL,
    was_paused BOOLEAN DEFAULT 0 NOT NULL,
    host_name VARCHAR(64),
    host_avatar_url VARCHAR(500),
    muted BOOLEAN DEFAULT 0 NOT NULL,
    PRIMARY KEY (room_id)
);
CREATE INDEX rooms_by_end ON rooms (ended_ms, room_id);
CREATE INDEX rooms_by_host ON rooms (host, room_id);
CREATE INDEX rooms_by_state ON rooms (state, room_id);
CREATE TABLE seals (
    drop_id VARCHAR(15) NOT NULL,
    sealed_ms BIGINT NOT NULL,
    form SMALLINT NOT NULL,
    allotted BIGINT NOT NULL,
    available BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    burned BIGINT NOT NULL,
    orders BIGINT NOT NULL,
    movements BIGINT NOT NULL,
    payments BIGINT NOT NULL,
    refunds BIGINT NOT NULL,
    ordered_fen BIGINT NOT NULL,
    paid_fen BIGINT NOT NULL,
    back_fen BIGINT NOT NULL,
    terms_hash VARCHAR(32) NOT NULL,
    orders_hash VARCHAR(32) NOT NULL,
    movements_hash VARCHAR(32) NOT NULL,
    payments_hash VARCHAR(32) NOT NULL,
    refunds_hash VARCHAR(32) NOT NULL,
    PRIMARY KEY (drop_id)
);
CREATE TABLE seeds (
    name VARCHAR(20) NOT NULL,
    state VARCHAR(12) NOT NULL,
    holder VARCHAR(32) NOT NULL,
    until_ms BIGINT NOT NULL,
    begun_ms BIGINT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE shares (
    code VARCHAR(12) NOT NULL,
    room_id VARCHAR(15) NOT NULL,
    picture_id VARCHAR(32),
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (code)
);
CREATE UNIQUE INDEX shares_by_room ON shares (room_id);
CREATE TABLE shipping_uploads (
    order_id VARCHAR(32) NOT NULL,
    state VARCHAR(12) NOT NULL,
    version INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    next_ms BIGINT NOT NULL,
    detail VARCHAR(200) NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE INDEX shipping_uploads_by_next ON shipping_uploads (state, next_ms);
CREATE TABLE skus (
    sku_id VARCHAR(15) NOT NULL,
    title VARCHAR(200) NOT NULL,
    price_fen BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    product_id VARCHAR(15),
    code VARCHAR(64),
    attributes TEXT,
    keeps_stock BOOLEAN DEFAULT 0 NOT NULL,
    safety_stock BIGINT DEFAULT '0' NOT NULL,
    on_hand BIGINT DEFAULT '0' NOT NULL,
    in_drops BIGINT DEFAULT '0' NOT NULL,
    updated_ms BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (sku_id)
);
CREATE UNIQUE INDEX skus_by_code ON skus (code);
CREATE INDEX skus_by_product ON skus (product_id, sku_id);
CREATE TABLE stock_ledger (
    partition SMALLINT NOT NULL,
    log_ms BIGINT NOT NULL,
    log_seq BIGINT NOT NULL,
    "row" SMALLINT NOT NULL,
    drop_id VARCHAR(15) NOT NULL,
    order_id VARCHAR(32),
    kind VARCHAR(12) NOT NULL,
    available BIGINT NOT NULL,
    held BIGINT NOT NULL,
    sold BIGINT NOT NULL,
    burned BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    note VARCHAR(300),
    adjust_id VARCHAR(64),
    PRIMARY KEY (partition, log_ms, log_seq, "row")
);
CREATE INDEX stock_ledger_by_drop ON stock_ledger (drop_id);
CREATE TABLE stock_moves (
    move_id VARCHAR(80) NOT NULL,
    sku_id VARCHAR(15) NOT NULL,
    kind VARCHAR(12) NOT NULL,
    units BIGINT NOT NULL,
    on_hand BIGINT NOT NULL,
    in_drops BIGINT NOT NULL,
    drop_id VARCHAR(15),
    order_id VARCHAR(32),
    note VARCHAR(200) NOT NULL,
    actor VARCHAR(80) NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (move_id)
);
CREATE INDEX stock_moves_by_drop ON stock_moves (drop_id);
CREATE INDEX stock_moves_by_sku ON stock_moves (sku_id, at_ms, move_id);
CREATE INDEX stock_moves_by_time ON stock_moves (at_ms, move_id);
CREATE TABLE take_backs (
    take_id VARCHAR(64) NOT NULL,
    order_id VARCHAR(32) NOT NULL,
    units INTEGER NOT NULL,
    fate VARCHAR(12) NOT NULL,
    reason VARCHAR(200) NOT NULL,
    state VARCHAR(12) NOT NULL,
    tries INTEGER NOT NULL,
    next_ms BIGINT NOT NULL,
    detail VARCHAR(200) NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (take_id)
);
CREATE INDEX take_backs_by_next ON take_backs (state, next_ms);
CREATE INDEX take_backs_by_order ON take_backs (order_id);
CREATE TABLE wechat_unions (
    union_hash VARCHAR(40) NOT NULL,
    buyer_id VARCHAR(40) NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (union_hash)
);

-- The functions of contrib/uuid-ossp 1.1 in SQL, for a PostgreSQL that is built without it.
-- v3, v4, v5 and the constants give what the original gives. v1 and v1mc have the right form and time, and a random
-- node with the multicast bit set, where the original's v1 takes the network card's.

create function uuid_nil() returns uuid
language sql immutable strict parallel safe
as $$ select '00000000-0000-0000-0000-000000000000'::pg_catalog.uuid $$;

create function uuid_ns_dns() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

create function uuid_ns_url() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

create function uuid_ns_oid() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

create function uuid_ns_x500() returns uuid
language sql immutable strict parallel safe
as $$ select '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid $$;

create function uuid_generate_v4() returns uuid
language sql volatile strict parallel safe
as $$ select pg_catalog.gen_random_uuid() $$;

-- A name-based UUID: the first 16 bytes of the digest of namespace and name, with version and variant put in.
create function uuid_generate_v3(namespace uuid, name text) returns uuid
language plpgsql immutable strict parallel safe
set search_path = pg_catalog
as $$
declare
    hash bytea := decode(md5(uuid_send(namespace) || convert_to(name, getdatabaseencoding())), 'hex');
begin
    hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 48);
    hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
    return encode(hash, 'hex')::uuid;
end
$$;

-- The same with SHA-1 (RFC 3174), which PostgreSQL's core does not have. All operators on bits bind alike there, so
-- the parentheses are needed.
create function uuid_generate_v5(namespace uuid, name text) returns uuid
language plpgsql immutable strict parallel safe
set search_path = pg_catalog
as $$
declare
    mask constant bigint := 4294967295;
    message bytea := uuid_send(namespace) || convert_to(name, getdatabaseencoding());
    bits constant bigint := length(message)::bigint * 8;
    h bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
    w bigint[];
    a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; x bigint;
    hash bytea;
begin
    message := message || '\x80'::bytea;
    message := message || decode(repeat('00', (120 - length(message) % 64) % 64), 'hex') || int8send(bits);
    for block in 0 .. length(message) / 64 - 1 loop
        for i in 0 .. 15 loop
            w[i] := 0;
            for j in 0 .. 3 loop
                w[i] := (w[i] << 8) + get_byte(message, block * 64 + i * 4 + j);
            end loop;
        end loop;
        for i in 16 .. 79 loop
            x := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
            w[i] := ((x << 1) | (x >> 31)) & mask;
        end loop;
        a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
        for i in 0 .. 79 loop
            if i < 20 then f := (b & c) | ((mask # b) & d); k := 1518500249;
            elsif i < 40 then f := b # c # d; k := 1859775393;
            elsif i < 60 then f := (b & c) | (b & d) | (c & d); k := 2400959708;
            else f := b # c # d; k := 3395469782;
            end if;
            x := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := x;
        end loop;
        h := array[(h[1] + a) & mask, (h[2] + b) & mask, (h[3] + c) & mask, (h[4] + d) & mask, (h[5] + e) & mask];
    end loop;
    hash := substr(int8send(h[1]), 5) || substr(int8send(h[2]), 5) || substr(int8send(h[3]), 5) || substr(int8send(h[4]), 5);
    hash := set_byte(hash, 6, (get_byte(hash, 6) & 15) | 80);
    hash := set_byte(hash, 8, (get_byte(hash, 8) & 63) | 128);
    return encode(hash, 'hex')::uuid;
end
$$;

-- Time in steps of 100 ns since 1582-10-15, a random clock sequence and a random node.
create function uuid_generate_v1() returns uuid
language plpgsql volatile strict parallel safe
set search_path = pg_catalog
as $$
declare
    random_part constant bytea := uuid_send(gen_random_uuid());
    moment constant bigint := floor(extract(epoch from clock_timestamp()) * 1000000)::bigint * 10
                            + get_byte(random_part, 0) % 10 + 122192928000000000;
    field bytea := int8send(moment);
    uuid_bytes bytea;
begin
    uuid_bytes := substr(field, 5, 4) || substr(field, 3, 2) || substr(field, 1, 2) || substr(random_part, 9, 8);
    uuid_bytes := set_byte(uuid_bytes, 6, (get_byte(uuid_bytes, 6) & 15) | 16);
    uuid_bytes := set_byte(uuid_bytes, 8, (get_byte(uuid_bytes, 8) & 63) | 128);
    uuid_bytes := set_byte(uuid_bytes, 10, get_byte(uuid_bytes, 10) | 1);
    return encode(uuid_bytes, 'hex')::uuid;
end
$$;

create function uuid_generate_v1mc() returns uuid
language plpgsql volatile strict parallel safe
set search_path = pg_catalog
as $$
declare
    random_part constant bytea := uuid_send(gen_random_uuid());
    moment constant bigint := floor(extract(epoch from clock_timestamp()) * 1000000)::bigint * 10
                            + get_byte(random_part, 0) % 10 + 122192928000000000;
    field bytea := int8send(moment);
    uuid_bytes bytea;
begin
    uuid_bytes := substr(field, 5, 4) || substr(field, 3, 2) || substr(field, 1, 2) || substr(random_part, 9, 8);
    uuid_bytes := set_byte(uuid_bytes, 6, (get_byte(uuid_bytes, 6) & 15) | 16);
    uuid_bytes := set_byte(uuid_bytes, 8, (get_byte(uuid_bytes, 8) & 63) | 128);
    uuid_bytes := set_byte(uuid_bytes, 10, get_byte(uuid_bytes, 10) | 1);
    return encode(uuid_bytes, 'hex')::uuid;
end
$$;

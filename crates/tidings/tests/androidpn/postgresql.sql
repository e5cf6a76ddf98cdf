--
-- PostgreSQL database dump
--

\restrict CSH2gohDef9dYgPQlcTWEBaFTcJmFeO7dC3NGITiJyd9xCmvLt9AKHm6zGyh36I

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: apn_user; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.apn_user (
    id bigint NOT NULL,
    created_date timestamp without time zone,
    email character varying(64),
    name character varying(64),
    password character varying(64),
    updated_date timestamp without time zone,
    username character varying(64) NOT NULL
);


ALTER TABLE public.apn_user OWNER TO postgres;

--
-- Name: other; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.other (
    id integer,
    apn_user character varying(20)
);


ALTER TABLE public.other OWNER TO postgres;

--
-- Data for Name: apn_user; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.apn_user (id, created_date, email, name, password, updated_date, username) FROM stdin;
1	2012-03-04 05:06:07.89	admin@domain.com	Administrator	admin	\N	admin
2	2012-03-04 05:06:07.89	\N	Zoë “📱”, (x)	O'Brien\\n;	\N	c3f1a0de
4	2012-03-04 05:06:07.89	\N	\N	\N	\N	nopass
5	2012-03-04 05:06:07.89	not an address		two words	\N	Case
\.


--
-- Data for Name: other; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.other (id, apn_user) FROM stdin;
1	it's (not) one;
\.


--
-- Name: apn_user apn_user_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.apn_user
    ADD CONSTRAINT apn_user_pkey PRIMARY KEY (id);


--
-- Name: apn_user apn_user_username_key; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.apn_user
    ADD CONSTRAINT apn_user_username_key UNIQUE (username);


--
-- PostgreSQL database dump complete
--

\unrestrict CSH2gohDef9dYgPQlcTWEBaFTcJmFeO7dC3NGITiJyd9xCmvLt9AKHm6zGyh36I

